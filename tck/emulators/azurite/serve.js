#!/usr/bin/env node
// Azurite as it is, but for its search for contents that nothing refers to. Every ten minutes that
// looks through all that was ever stored, answers nobody meanwhile, and takes minutes itself.

const azurite = "./node_modules/azurite/dist/src";
require(`${azurite}/blob/utils/constants`).DEFAULT_GC_INTERVAL_MS = 2 ** 31 - 1;
require(`${azurite}/azurite`);
