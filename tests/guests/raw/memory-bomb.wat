;; Takes memory page by page, touches each, and never looks at whether there was one.
(func $misbehave (result i32)
  (local $at i32)
  (loop $again
    (local.set $at (i32.mul (memory.grow (i32.const 16)) (i32.const 65536)))
    (i32.store (local.get $at) (i32.const 1))
    (br $again))
  (unreachable))
