package frame

// Violation is one way in which a peer can break the protocol. Each has the
// status code to close the connection with and the section of the RFC that
// was broken; violations are comparable and serve as errors.
type Violation uint8

// Every violation there is.
const (
	_ Violation = iota
	ErrReservedBits
	ErrReservedOpcode
	ErrLengthNotMinimal
	ErrLengthOverflow
	ErrMaskRequired
	ErrMaskForbidden
	ErrControlFragmented
	ErrControlTooLong
	ErrUnexpectedContinuation
	ErrExpectedContinuation
	ErrInvalidUTF8
	ErrCloseTooShort
	ErrCloseStatus
	ErrFrameTooBig
	ErrMessageTooBig
	ErrTooManyFragments
	ErrTooManyControls
	ErrExtensionData

	numViolations = iota
)

var violations = [numViolations]struct {
	text    string
	status  StatusCode
	section string
}{
	ErrReservedBits:           {"reserved bit set that no negotiated extension owns", StatusProtocolError, "RFC 6455, section 5.2"},
	ErrReservedOpcode:         {"reserved opcode", StatusProtocolError, "RFC 6455, section 5.2"},
	ErrLengthNotMinimal:       {"payload length not in its shortest form", StatusProtocolError, "RFC 6455, section 5.2"},
	ErrLengthOverflow:         {"payload length has its highest bit set", StatusProtocolError, "RFC 6455, section 5.2"},
	ErrMaskRequired:           {"frame from a client is not masked", StatusProtocolError, "RFC 6455, section 5.1"},
	ErrMaskForbidden:          {"frame from a server is masked", StatusProtocolError, "RFC 6455, section 5.1"},
	ErrControlFragmented:      {"control frame is fragmented", StatusProtocolError, "RFC 6455, section 5.5"},
	ErrControlTooLong:         {"control frame payload is longer than 125 bytes", StatusProtocolError, "RFC 6455, section 5.5"},
	ErrUnexpectedContinuation: {"continuation frame without a message to continue", StatusProtocolError, "RFC 6455, section 5.4"},
	ErrExpectedContinuation:   {"new message before the last one was finished", StatusProtocolError, "RFC 6455, section 5.4"},
	ErrInvalidUTF8:            {"text is not valid UTF-8", StatusInvalidPayloadData, "RFC 6455, section 8.1"},
	ErrCloseTooShort:          {"close frame payload of one byte", StatusProtocolError, "RFC 6455, section 5.5.1"},
	ErrCloseStatus:            {"status code must not stand in a close frame", StatusProtocolError, "RFC 6455, section 7.4"},
	ErrFrameTooBig:            {"frame is larger than the limit", StatusMessageTooBig, "RFC 6455, section 10.4"},
	ErrMessageTooBig:          {"message is larger than the limit", StatusMessageTooBig, "RFC 6455, section 10.4"},
	ErrTooManyFragments:       {"message has more fragments than the limit", StatusPolicyViolation, "RFC 6455, section 10.4"},
	ErrTooManyControls:        {"control frames come faster than the limit", StatusPolicyViolation, "RFC 6455, section 10.4"},
	ErrExtensionData:          {"compressed data is damaged", StatusInvalidPayloadData, "RFC 7692, section 7.2.2"},
}

// Error describes the violation and names the section that was broken.
func (v Violation) Error() string {
	if v == 0 || v >= numViolations {
		return "websocket: unknown violation"
	}
	return "websocket: " + violations[v].text + " (" + violations[v].section + ")"
}

// Is makes [ErrFrameTooBig] an [ErrMessageTooBig] too: a frame that is too big
// alone belongs to a message that is.
func (v Violation) Is(target error) bool {
	return v == ErrFrameTooBig && target == ErrMessageTooBig
}

// Status returns the code to close the connection with.
func (v Violation) Status() StatusCode {
	if v == 0 || v >= numViolations {
		return StatusProtocolError
	}
	return violations[v].status
}

// Section names the part of the RFC that was broken, "RFC 6455, section 5.5".
func (v Violation) Section() string {
	if v == 0 || v >= numViolations {
		return ""
	}
	return violations[v].section
}

// Violations returns every violation there is, for tables and tests.
func Violations() []Violation {
	vs := make([]Violation, 0, numViolations-1)
	for v := Violation(1); v < numViolations; v++ {
		vs = append(vs, v)
	}
	return vs
}
