// What cannot be done, in words for a person, and what to do instead.

export class Told extends Error {
  constructor(message: string, readonly fix: string) {
    super(message);
  }
}
