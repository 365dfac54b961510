;; Has the host copy 60 MB, as the line of a log.
(import "tenet:rule/log@1.0.0" "write" (func $log (param i32 i32 i32)))
(func $misbehave (result i32)
  (drop (memory.grow (i32.const 940)))
  (call $log (i32.const 1) (i32.const 0) (i32.const 60000000))
  (call $accept (i32.const 16) (i32.const 4)))
