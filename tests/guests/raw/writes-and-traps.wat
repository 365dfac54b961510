;; Writes a row and traps with the transaction open.
(import "tenet:rule/database@1.0.0" "execute" (func $execute (param i32 i32 i32 i32 i32)))
(data (i32.const 512) "INSERT INTO counters (id, value) VALUES (4711, 1)")
(func $misbehave (result i32)
  (call $execute (i32.const 512) (i32.const 49) (i32.const 0) (i32.const 0) (i32.const 256))
  (unreachable))
