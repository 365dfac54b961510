;; Answers with a gigabyte that is not there.
(func $misbehave (result i32)
  (call $accept (i32.const 0) (i32.const 0x40000000)))
