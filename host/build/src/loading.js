// While modules are loaded there is no request. A component is what they leave behind: what they took from a
// clock or by chance would be the build's, and the same for every request.

let isLoading = true;

function refuse(what) {
  if (!isLoading) return;
  const why = 'there is no request yet while modules are loaded, and the result would be the same for every request';
  throw new Error(`${what} at the top of a module: ${why}. Call it in the rule's function`);
}

const restore = [];

/** Has a function of an object refuse until all is loaded. */
function guard(object, name, what) {
  const own = object?.[name];
  if (typeof own !== 'function') return;
  const asked = function (...values) {
    refuse(what);
    return own.apply(this, values);
  };
  object[name] = asked;
  restore.push(() => {
    object[name] = own;
  });
}

guard(Math, 'random', 'Math.random()');
guard(globalThis.performance, 'now', 'performance.now()');
guard(globalThis.crypto, 'randomUUID', 'crypto.randomUUID()');
guard(globalThis.crypto, 'getRandomValues', 'crypto.getRandomValues()');
guard(Date, 'now', 'Date.now()');

const Real = Date;
globalThis.Date = new Proxy(Real, {
  construct(target, values, made) {
    if (values.length === 0) refuse('new Date()');
    return Reflect.construct(target, values, made);
  },
  apply(target, self, values) {
    refuse('Date()');
    return Reflect.apply(target, self, values);
  },
});
restore.push(() => {
  globalThis.Date = Real;
});

/** All modules are loaded. */
export function loaded() {
  isLoading = false;
  for (const undo of restore) undo();
}
