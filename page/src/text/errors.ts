// A list that cannot be read, in words for a person, and what to do instead.

export class ListError extends Error {
  constructor(message: string, readonly fix: string) {
    super(message);
  }
}
