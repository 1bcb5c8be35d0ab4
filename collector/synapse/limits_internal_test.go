package synapse

import "time"

// LimitTo makes a reader read as little at a time as a large server's would: tables of
// more rows than atOnce in parts of so many rows and users, and so many rows of slices in
// one refresh.
func (r *Reader) LimitTo(atOnce, slice, users, refresh int) {
	r.limits = limits{atOnce: int64(atOnce), slice: int64(slice), users: users, refresh: int64(refresh), time: time.Hour, mas: time.Hour}
}

// WaitForMAS makes a reader wait for MAS as long as that.
func (r *Reader) WaitForMAS(d time.Duration) { r.limits.mas = d }
