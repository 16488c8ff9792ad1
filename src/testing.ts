// durable-chat/testing: real parts to test and develop with.

export {
  scriptedModel,
  type ScriptedCall,
  type ScriptedModel,
  type ScriptedModelOptions,
} from './testing/scripted-model.ts';
export {
  startUpstashServer,
  type UpstashServer,
  type UpstashServerOptions,
} from './testing/upstash-server.ts';
export type { Fault, UpstashFaults } from './testing/upstash-faults.ts';
