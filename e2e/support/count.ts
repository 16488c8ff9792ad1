/** What the scripted model answers to `count to <n>`. */
export function count(n: number): string {
  return Array.from({ length: n }, (_, index) => String(index + 1)).join(' ');
}
