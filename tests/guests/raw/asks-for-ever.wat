;; Calls an import endlessly, as fast as it can.
(import "tenet:rule/context@1.0.0" "now" (func $now (result i64)))
(func $misbehave (result i32)
  (loop $again
    (drop (call $now))
    (br $again))
  (unreachable))
