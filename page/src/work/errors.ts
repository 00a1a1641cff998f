/** Says what is wrong and what to do. */
export class SessionError extends Error {
  constructor(message: string, readonly fix: string) {
    super(message);
  }
}
