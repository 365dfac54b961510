;; Answers with bytes that are no UTF-8.
(func $misbehave (result i32)
  (i32.store (i32.const 16) (i32.const 0xfffefdfc))
  (call $accept (i32.const 16) (i32.const 4)))
