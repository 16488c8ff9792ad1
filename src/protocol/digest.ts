// A short, stable digest: it tells things apart that differ by accident, and protects nothing.

/** FNV-1a over UTF-16 code units, 32 bits, in base 36. */
export function digest(text: string): string {
  let hash = 0x811c9dc5;
  for (let index = 0; index < text.length; index++) {
    hash = Math.imul(hash ^ text.charCodeAt(index), 0x01000193);
  }
  return (hash >>> 0).toString(36);
}
