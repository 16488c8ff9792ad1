// The provider's types, taken from `ai`, because an app need not have `@ai-sdk/provider` as a dependency.
import type { LanguageModel } from 'ai';

/** The version that `ai` 6 and `ai` 7 both accept. */
export type LanguageModelV3 = Extract<LanguageModel, { readonly specificationVersion: 'v3' }>;
export type CallOptions = Parameters<LanguageModelV3['doStream']>[0];
export type Prompt = CallOptions['prompt'];
export type PartStream = Awaited<ReturnType<LanguageModelV3['doStream']>>['stream'];
export type StreamPart = PartStream extends ReadableStream<infer Part> ? Part : never;
export type GenerateResult = Awaited<ReturnType<LanguageModelV3['doGenerate']>>;

type ToolMessage = Extract<Prompt[number], { readonly role: 'tool' }>;
export type ToolOutput = Extract<ToolMessage['content'][number], { readonly type: 'tool-result' }>['output'];
