// Package option holds what all options have in common: the error for a setting that
// cannot be used, and what 0 and negative ones mean.
package option

import "fmt"

// Error says that a field of an options struct has a value that cannot be
// used. It is returned before anything else happens.
type Error struct {
	Field string // name of the field, "ClientMaxWindowBits"
	Value any    // what it was set to
	Want  string // what it may be, "8 to 15, or 0 for 15"
}

// Error names the field, the value and what would be accepted.
func (e *Error) Error() string {
	return fmt.Sprintf("websocket: option %s is %.64q; want %s", e.Field, fmt.Sprint(e.Value), e.Want)
}

// OrDefault applies the rule for limits: 0 means the default, and a negative
// number none, which is 0 in what it returns.
func OrDefault[T ~int | ~int64](v, def T) T {
	switch {
	case v == 0:
		return def
	case v < 0:
		return 0
	}
	return v
}

// ErrNoContext refuses a nil context before it can do any harm.
var ErrNoContext error = &Error{Field: "ctx", Value: nil, Want: "a context, context.Background() for none"}
