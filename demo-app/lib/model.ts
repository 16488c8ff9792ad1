// The demo's model: OpenAI's if there is a key, else a scripted one that needs no key and no network.
import { openai } from '@ai-sdk/openai';
import type { LanguageModel } from 'ai';
import { scriptedModel } from 'durable-chat/testing';
import { hold } from './gate';
import { modelName } from './model-name';

/** A new model for each request: the scripted model keeps a record of its calls, which would grow forever. */
export function model(): LanguageModel {
  const name = modelName();
  return name === undefined ? scriptedModel({ ...(hold && { hold }) }) : openai(name);
}
