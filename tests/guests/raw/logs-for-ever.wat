;; Logs endlessly.
(import "tenet:rule/log@1.0.0" "write" (func $log (param i32 i32 i32)))
(func $misbehave (result i32)
  (loop $again
    (call $log (i32.const 1) (i32.const 0) (i32.const 1000))
    (br $again))
  (unreachable))
