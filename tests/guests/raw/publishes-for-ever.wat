;; Publishes endlessly.
(import "tenet:rule/events@1.0.0" "publish" (func $publish (param i32 i32 i32 i32 i32 i32 i32)))
(data (i32.const 512) "hostile{}")
(func $misbehave (result i32)
  (loop $again
    (call $publish (i32.const 512) (i32.const 7) (i32.const 512) (i32.const 7) (i32.const 519) (i32.const 2) (i32.const 256))
    (br $again))
  (unreachable))
