// The model behind the demo: OpenAI's when there is a key, a scripted one that needs neither key nor network.
import { openai } from '@ai-sdk/openai';
import type { LanguageModel } from 'ai';
import { scriptedModel } from 'durable-chat/testing';
import { hold } from './gate';
import { modelName } from './model-name';

/** One for each request: the scripted model remembers its calls, and a server lives long. */
export function model(): LanguageModel {
  const name = modelName();
  return name === undefined ? scriptedModel({ ...(hold && { hold }) }) : openai(name);
}
