// durable-chat/testing: a scripted model and a local Upstash for tests and development, and failures of both.

export { createChaos, type Chaos, type StoreFault, type StoreFaultOptions } from './testing/chaos.ts';
export { dropAt, type DropAt } from './testing/drop-at.ts';
export {
  scriptedModel,
  type Script,
  type ScriptedCall,
  type ScriptedModel,
  type ScriptedModelOptions,
  type ScriptInput,
  type ScriptItem,
} from './testing/scripted-model.ts';
export {
  startUpstashServer,
  type UpstashServer,
  type UpstashServerOptions,
} from './testing/upstash-server.ts';
export type { Fault, UpstashFaults } from './testing/upstash-faults.ts';
