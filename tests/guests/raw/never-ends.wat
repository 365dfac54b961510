;; Computes endlessly.
(func $misbehave (result i32)
  (loop $again (br $again))
  (unreachable))
