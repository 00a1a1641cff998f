// Compares an engine with what Python wrote: pure, so that node and a browser run the same checks.

const MOST = 1e-4; // largest difference of logits, nats and gradients

export function readCases(json, bytes) {
  const array = ({ shape, type, at }) => {
    const count = shape.reduce((product, each) => product * each, 1);
    const data = type === "int32" ? new Int32Array(bytes, at, count) : new Float32Array(bytes, at, count);
    return { shape, data };
  };
  const read = (value) => {
    if (Array.isArray(value)) return value.map(read);
    if (!value || typeof value !== "object") return value;
    if ("at" in value) return array(value);
    return Object.fromEntries(Object.entries(value).map(([name, each]) => [name, read(each)]));
  };
  return read(json);
}

function difference(found, expected) {
  if (found.length !== expected.length) throw new Error(`${found.length} numbers, expected ${expected.length}`);
  let most = 0;
  for (let i = 0; i < found.length; i++) most = Math.max(most, Math.abs(found[i] - expected[i]));
  return Number.isNaN(most) ? Infinity : most;
}

function stepped(model, { ids, from, logits }) {
  const [length, rows] = ids.shape;
  const V = model.spec.vocabSize;
  let state = model.begin(1);
  let most = 0;
  for (let place = 0; place < length; place++) {
    const of = ({ data }, width = 1) => data.subarray(place * rows * width, (place + 1) * rows * width);
    const step = model.step(of(ids), state, of(from));
    state = step.state;
    most = Math.max(most, difference(step.logits, of(logits, V)));
  }
  return most;
}

// The same steps with every row many times: more rows than are computed at once.
function steppedInParts(model, { ids, from, logits }) {
  const [length, rows] = ids.shape;
  const times = 100;
  const V = model.spec.vocabSize;
  let state = model.begin(1);
  let most = 0;
  for (let place = 0; place < length; place++) {
    const many = (data, move) => Int32Array.from({ length: rows * times }, (_, i) => {
      const copy = Math.floor(i / rows);
      return data[place * rows + (i % rows)] + (move ? copy * rows : 0);
    });
    const step = model.step(many(ids.data, false), state, many(from.data, place > 0));
    state = step.state;
    const expected = logits.data.subarray(place * rows * V, (place + 1) * rows * V);
    for (const copy of [0, times >> 1, times - 1]) {
      const found = step.logits.subarray(copy * rows * V, (copy + 1) * rows * V);
      most = Math.max(most, difference(found, expected));
    }
  }
  return most;
}

function scored(engine, model, { ids, offsets, nats, labels }) {
  const lines = Array.from({ length: offsets.data.length - 1 }, (_, i) =>
    ids.data.slice(offsets.data[i], offsets.data[i + 1]));
  const found = engine.surprisals(model, lines, labels?.data);
  return difference(found.flatMap((line) => [...line]), nats.data);
}

function learned(module, engine, model, { inputs, targets, loss, gradients }) {
  const request = { kind: "any", options: {}, maxSteps: 1, batchSize: 1, learningRate: 0, seed: 1 };
  const training = module.makeTraining(engine, model, [Int32Array.of(1)], request);
  const group = { inputs: inputs.data, targets: targets.data, lines: inputs.shape[0] };
  const found = { loss: Math.abs(module.gradients(engine, model, [group]) - loss), gradients: 0 };
  for (const [name, value] of model.parameters()) {
    const gradient = engine.memory.floats(value.grad, value.rows * value.width);
    found.gradients = Math.max(found.gradients, difference(gradient, gradients[name].data));
  }
  training.free();
  return found;
}

/** Compare one case on one engine: the largest differences, by what was compared. */
export function compareCase(module, engine, test) {
  const tensors = new Map(Object.entries(test.tensors));
  const model = module.makeModel(engine, test.spec, tensors);
  if (model.nParameters !== test.parameters) throw new Error(`${model.nParameters} parameters, expected ${test.parameters}`);
  const found = { logits: stepped(model, test.steps) };
  // The parts are the same for any size, and large networks take long in JavaScript.
  if (model.nParameters < 20000) found.parts = steppedInParts(model, test.steps);
  found.nats = scored(module, model, test.scores);
  if (module.canLearn(model)) Object.assign(found, learned(module, engine, model, test.learning));
  for (const [name, { data }] of model.tensors()) {
    if (difference(data, tensors.get(name).data)) throw new Error(`tensor ${name} is not what was loaded`);
  }
  model.free();
  return found;
}

export function tooFar(found) {
  return Object.values(found).some((each) => !(each <= MOST));
}
