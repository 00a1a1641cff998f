// What a draw cannot do, in words for a person, and what to do instead.

export class ConditionError extends Error {
  constructor(message: string, readonly fix: string) {
    super(message);
  }
}
