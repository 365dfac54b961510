;; Passes parameters at an address that none can have.
(import "tenet:rule/database@1.0.0" "execute" (func $execute (param i32 i32 i32 i32 i32)))
(func $misbehave (result i32)
  (call $execute (i32.const 16) (i32.const 4) (i32.const 3) (i32.const 1) (i32.const 256))
  (call $accept (i32.const 16) (i32.const 4)))
