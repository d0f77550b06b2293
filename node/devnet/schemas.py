"""The attestation schemas of the story, as EAS writes them."""

FLIGHT_STATUS_SCHEMA = "string flightNumber,string status,uint32 delayMinutes,uint64 newArrival"
BOOKING_SCHEMA = "string booking,string checkIn,string confirmation"
EAS_VERSION = "1.2.0"
FLIGHT_STATUS_TOPIC = "flight-status"
