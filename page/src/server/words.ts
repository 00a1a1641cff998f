// What a page promises about the list: a page in a file has nowhere to send it; one of a server says when it goes.

const LOOPBACK = /^(localhost|127\.0\.0\.1|\[::1\])$/;

/** Names the server for a sentence. */
export function serverWords(): string {
  return LOOPBACK.test(location.hostname) ? "the server on this machine" : `the server at ${location.host}`;
}

/** Says where the list goes; served: the page came from a server. */
export function promise(served: boolean): string {
  return served ? `The list goes to ${serverWords()} only when you press Train on the server.` : "The list never leaves the page.";
}
