// What the other parts of the page use of text.

export { ListError } from "./errors";
export { hashLine, PackedLines, packLines } from "./line_hashes";
export { readList, type ReadList, type ReadOptions } from "./reading";
export { splitLines } from "./split";
export { BOUNDARY, CHARACTER, collectVocabulary, cut, encodeLines, GRAPHEME, unknownIn, vocabularyOf } from "./vocabulary";
