// Counts: fits n-grams and looks up every window, for tests/web/test_counts.py to compare.

import { NGram, ngramSpec } from "../src/counts/ngram";
import { answer, given, tensorsOf } from "./case.mjs";

const results = given.cases.map(({ V, options, ids, offsets, windows, tensors }) => {
  const spec = ngramSpec(V, options);
  const fitted = NGram.fit(spec, Int32Array.from(ids), Int32Array.from(offsets));
  const loaded = NGram.of(spec, tensorsOf(tensors));
  const rows = (model) => windows.map((window) => model.logs(Int32Array.from(window)));
  const table = fitted.table();
  return {
    tensors: Object.fromEntries([...fitted.tensors()].map(([name, { data }]) => [name, Array.from(data, Number)])),
    types: Object.fromEntries([...fitted.tensors()].map(([name, { data }]) => [name, data.BYTES_PER_ELEMENT])),
    fitted: rows(fitted),
    loaded: rows(loaded),
    table: table && { logs: table.logs, after: table.after, start: table.start.get(0) },
  };
});
answer(results);
