// Links in messages come from a model. Only URLs that cannot run as script become links.

export function safeUrl(url: string): string | undefined {
  try {
    const { protocol } = new URL(url);
    return ['https:', 'http:', 'data:', 'blob:'].includes(protocol) ? url : undefined;
  } catch {
    return undefined;
  }
}
