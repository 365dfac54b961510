;; Passes a list of four billion parameters that is not there.
(import "tenet:rule/database@1.0.0" "execute" (func $execute (param i32 i32 i32 i32 i32)))
(func $misbehave (result i32)
  (call $execute (i32.const 16) (i32.const 4) (i32.const 0) (i32.const 0xffffffff) (i32.const 256))
  (call $accept (i32.const 16) (i32.const 4)))
