// What page/test/run.mjs calls, in one bundle.
export * from "../src/run/index";
export { widenHalves } from "../src/run/half";
export { sha256 } from "../src/run/sha256";
export { canonicalJson, Float, readableJson } from "../src/run/python_json";
