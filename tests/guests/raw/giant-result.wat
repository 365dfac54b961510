;; Answers with 60 MB of nothing but spaces and a null.
(func $misbehave (result i32)
  (drop (memory.grow (i32.const 940)))
  (memory.fill (i32.const 65536) (i32.const 32) (i32.const 60000000))
  (call $accept (i32.const 65536) (i32.const 60000000)))
