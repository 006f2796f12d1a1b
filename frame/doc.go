// Package frame is the base framing protocol of WebSocket: frame headers,
// masking, close codes, and the list of everything a peer can do wrong.
//
// It is pure. It moves no bytes, holds no state and allocates nothing but what
// the caller's slice needs to grow, so it serves servers, clients, proxies,
// fuzzers and packet decoders alike. What a sequence of frames means is the
// business of the protocol package.
//
// # Reading a header
//
// [ParseHeader] reads a [Header] from the front of a buffer. It answers n == 0
// and no error while the buffer is too short, so the caller can wait for more:
//
//	h, n, err := frame.ParseHeader(buf)
//	if err != nil {
//		return err // a Violation
//	}
//	if n == 0 {
//		continue // read more
//	}
//
// # Writing a frame
//
// [Append] writes a header and its payload behind a slice, masking the copy
// when the header says so; the payload itself is never changed.
//
// # What went wrong
//
// Every breach of the protocol is one [Violation], with the close code to send
// and the section of the RFC that was broken. Violations are comparable, so
// errors.Is(err, frame.ErrMaskRequired) works wherever one is wrapped.
package frame
