;; Ends the process.
(import "wasi:cli/exit@0.2.0" "exit" (func $exit (param i32)))
(func $misbehave (result i32)
  (call $exit (i32.const 0))
  (call $accept (i32.const 16) (i32.const 4)))
