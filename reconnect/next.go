package reconnect

import (
	"net/http"
	"time"
)

// Next says what a [Client] does next, after a callback that was told of an
// ending or a failure. The zero value does what the options say: the [Policy],
// Retry and the usual wait.
type Next struct {
	kind    nextKind
	waits   bool
	wait    time.Duration
	url     string
	header  http.Header
	changes bool // url and header count
}

type nextKind uint8

const (
	nextPolicy nextKind = iota
	nextStop
	nextRetry
)

// Stop ends the client. [Client.Err] is the error that led to it.
func Stop() Next { return Next{kind: nextStop} }

// Retry connects again after wait, whatever the policy and the number of
// retries say. A negative wait is the usual one, which grows.
func Retry(wait time.Duration) Next {
	return Next{kind: nextRetry, waits: wait >= 0, wait: wait}
}

// To connects again after the usual wait, whatever the policy says, to another
// URL, "" for the same, and with another header, nil for the same. They hold
// from then on, also for later attempts: a token that was renewed is given so.
func To(url string, header http.Header) Next {
	return Next{kind: nextRetry, changes: true, url: url, header: header.Clone()}
}

// After returns n with a wait of its own instead of the usual one. A [Stop]
// stays one.
func (n Next) After(wait time.Duration) Next {
	n.waits, n.wait = wait >= 0, wait
	return n
}
