// What the other parts of the page use of this folder.

export { asCsv, asJson, asText, type KeptLine } from "./kept_lines";
export { type PageContents, readPage, readWorker, tensorsOf } from "./payload";
export { folderName, type Metric, type RunToWrite, writeRunZip } from "./run_zip";
