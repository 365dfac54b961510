;; Lets a table grow until it is stopped, and never looks at whether it grew.
(table $table 0 funcref)
(func $misbehave (result i32)
  (loop $again
    (drop (table.grow $table (ref.null func) (i32.const 1000)))
    (br $again))
  (unreachable))
