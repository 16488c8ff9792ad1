// Next writes next-env.d.ts only when it runs; this makes the type check work in a fresh clone.
/// <reference types="next" />
