// The name of the model, without importing the model.

/** The OpenAI model, or undefined when the scripted one answers. Read at run time, not at build time. */
export function modelName(): string | undefined {
  if (!process.env.OPENAI_API_KEY) return undefined;
  return process.env.OPENAI_MODEL || 'gpt-5';
}
