// Package framediff holds tests only: FuzzFrameDiff feeds the same bytes to
// this library's receiver and to the frame readers of four other libraries,
// which have to deliver the same messages and control frames and to refuse the
// same input. Where one differs on purpose or by a fault of its own, the table
// of deviations says so and why.
package framediff
