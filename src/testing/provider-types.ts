// The provider's types, taken from `ai`, because an app need not have `@ai-sdk/provider` as a dependency.
import type { LanguageModel } from 'ai';

/** The version that `ai` 6 and `ai` 7 both accept. */
export type LanguageModelV3 = Extract<LanguageModel, { readonly specificationVersion: 'v3' }>;
/** What the SDK passes to a model. */
export type CallOptions = Parameters<LanguageModelV3['doStream']>[0];
/** The messages of a call. */
export type Prompt = CallOptions['prompt'];
/** The stream of a model's parts. */
export type PartStream = Awaited<ReturnType<LanguageModelV3['doStream']>>['stream'];
/** One part of a model's stream. */
export type StreamPart = PartStream extends ReadableStream<infer Part> ? Part : never;
/** What a call without streaming resolves with. */
export type GenerateResult = Awaited<ReturnType<LanguageModelV3['doGenerate']>>;

type ToolMessage = Extract<Prompt[number], { readonly role: 'tool' }>;
/** The result of a tool in a prompt. */
export type ToolOutput = Extract<ToolMessage['content'][number], { readonly type: 'tool-result' }>['output'];
