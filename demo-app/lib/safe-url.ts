// Links in messages come from a model: only what cannot run as script becomes a link.

export function safeUrl(url: string): string | undefined {
  try {
    const { protocol } = new URL(url);
    return ['https:', 'http:', 'data:', 'blob:'].includes(protocol) ? url : undefined;
  } catch {
    return undefined;
  }
}
