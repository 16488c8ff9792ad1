// The id of a new chat. It is the only key to the chat, so it must be unguessable.

/** 22 characters, 128 random bits. Also works on plain http, where `crypto.randomUUID` does not exist. */
export function newId(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return btoa(String.fromCharCode(...bytes))
    .replaceAll('+', '-')
    .replaceAll('/', '_')
    .replaceAll('=', '');
}
