;; Asks WASI the time endlessly, to see it pass.
(import "wasi:clocks/monotonic-clock@0.2.0" "now" (func $now (result i64)))
(func $misbehave (result i32)
  (loop $again
    (br_if $again (i64.eq (call $now) (i64.const 0))))
  (call $accept (i32.const 16) (i32.const 4)))
