;; Passes a text of two gigabytes that is not there.
(import "tenet:rule/log@1.0.0" "write" (func $log (param i32 i32 i32)))
(func $misbehave (result i32)
  (call $log (i32.const 1) (i32.const 0) (i32.const 0x7fffffff))
  (call $accept (i32.const 16) (i32.const 4)))
