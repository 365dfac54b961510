;; Takes pollables and gives none back.
(import "wasi:clocks/monotonic-clock@0.2.0" "subscribe-duration" (func $subscribe (param i64) (result i32)))
(func $misbehave (result i32)
  (loop $again
    (drop (call $subscribe (i64.const 1)))
    (br $again))
  (unreachable))
