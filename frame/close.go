package frame

import (
	"strconv"
	"unicode/utf8"
)

// StatusCode says why an endpoint closes a connection (RFC 6455, section
// 7.4). The names are those of the IANA registry.
type StatusCode uint16

// The registered status codes.
const (
	StatusNormalClosure       StatusCode = 1000
	StatusGoingAway           StatusCode = 1001
	StatusProtocolError       StatusCode = 1002
	StatusUnsupportedData     StatusCode = 1003
	StatusNoStatusRcvd        StatusCode = 1005 // never on the wire: the close frame had none
	StatusAbnormalClosure     StatusCode = 1006 // never on the wire: there was no close frame
	StatusInvalidPayloadData  StatusCode = 1007
	StatusPolicyViolation     StatusCode = 1008
	StatusMessageTooBig       StatusCode = 1009
	StatusMandatoryExtension  StatusCode = 1010
	StatusInternalError       StatusCode = 1011
	StatusServiceRestart      StatusCode = 1012
	StatusTryAgainLater       StatusCode = 1013
	StatusBadGateway          StatusCode = 1014
	StatusTLSHandshakeFailure StatusCode = 1015 // never on the wire
)

var statusNames = map[StatusCode]string{
	StatusNormalClosure:       "normal closure",
	StatusGoingAway:           "going away",
	StatusProtocolError:       "protocol error",
	StatusUnsupportedData:     "unsupported data",
	StatusNoStatusRcvd:        "no status received",
	StatusAbnormalClosure:     "abnormal closure",
	StatusInvalidPayloadData:  "invalid payload data",
	StatusPolicyViolation:     "policy violation",
	StatusMessageTooBig:       "message too big",
	StatusMandatoryExtension:  "mandatory extension",
	StatusInternalError:       "internal error",
	StatusServiceRestart:      "service restart",
	StatusTryAgainLater:       "try again later",
	StatusBadGateway:          "bad gateway",
	StatusTLSHandshakeFailure: "TLS handshake failure",
}

// Sendable reports whether c may stand in a close frame: 1000 to 1003, 1007 to
// 1014, and 3000 to 4999, which belong to libraries and applications (RFC
// 6455, sections 7.4.1 and 7.4.2).
func (c StatusCode) Sendable() bool {
	return c >= 1000 && c <= 1003 || c >= 1007 && c <= 1014 || c >= 3000 && c <= 4999
}

// String returns the number with its name, "1001 (going away)", or the number
// alone for a code without a registered name.
func (c StatusCode) String() string {
	s := strconv.Itoa(int(c))
	if name := statusNames[c]; name != "" {
		return s + " (" + name + ")"
	}
	return s
}

// MaxCloseReason is the longest reason in bytes: a control payload less the
// two bytes of the status code.
const MaxCloseReason = MaxControlPayload - 2

// AppendClose appends the payload of a close frame to dst (RFC 6455, section
// 5.5.1). [StatusNoStatusRcvd] with an empty reason gives the empty payload.
//
// It refuses, with nothing appended, a code that is not Sendable
// ([ErrCloseStatus]), a reason longer than MaxCloseReason
// ([ErrControlTooLong]) and a reason that is not UTF-8 ([ErrInvalidUTF8]).
func AppendClose(dst []byte, c StatusCode, reason string) ([]byte, error) {
	switch {
	case c == StatusNoStatusRcvd && reason == "":
		return dst, nil
	case !c.Sendable():
		return dst, ErrCloseStatus
	case len(reason) > MaxCloseReason:
		return dst, ErrControlTooLong
	case !utf8.ValidString(reason):
		return dst, ErrInvalidUTF8
	}
	dst = append(dst, byte(c>>8), byte(c))
	return append(dst, reason...), nil
}

// ParseClose reads the payload of a close frame. An empty one is
// [StatusNoStatusRcvd] and no reason (RFC 6455, section 7.1.5).
//
// The errors are [ErrCloseTooShort] for a single byte, [ErrCloseStatus] for a
// code that must not stand in a close frame, and [ErrInvalidUTF8].
func ParseClose(p []byte) (StatusCode, string, error) {
	switch len(p) {
	case 0:
		return StatusNoStatusRcvd, "", nil
	case 1:
		return 0, "", ErrCloseTooShort
	}
	c := StatusCode(p[0])<<8 | StatusCode(p[1])
	if !c.Sendable() {
		return 0, "", ErrCloseStatus
	}
	if !utf8.Valid(p[2:]) {
		return 0, "", ErrInvalidUTF8
	}
	return c, string(p[2:]), nil
}
