// SPDX-License-Identifier: MIT
pragma solidity ^0.8.24;

import {Ownable} from "@openzeppelin/contracts/access/Ownable.sol";
import {ERC721} from "@openzeppelin/contracts/token/ERC721/ERC721.sol";

/// @title Smart ticket
/// @notice An example of a token contract that an airline deploys: one ERC-721 token per seat, with
/// the flight and the hotel booking that its TokenScript works on, and the script's address
/// (ERC-5169). It knows nothing of Smart Layer.
contract SmartTicket is ERC721, Ownable {
    /// @notice ERC-5169: the scripts are at these addresses now.
    event ScriptUpdate(string[] newScriptURI);
    /// @notice A ticket was issued.
    event TicketIssued(uint256 indexed tokenId, address indexed to, string flightNumber, string hotelBooking);

    struct Ticket {
        string flightNumber;
        string hotelBooking;
    }

    /// @dev scriptURI() ^ setScriptURI(string[]), as ERC-5169 gives it.
    bytes4 private constant ERC5169_ID = 0xa86517a1;

    string[] private _scriptUris;
    mapping(uint256 tokenId => Ticket ticket) private _tickets;

    /// @notice How many tickets were issued; their numbers run from 1 to this.
    uint256 public issued;

    constructor(address airline) ERC721("Smart Flight Ticket", "TICKET") Ownable(airline) {}

    /// @notice Issue a ticket. Emits: {TicketIssued}, Transfer. Requirements: the caller is the owner.
    function mint(address to, string calldata flightNumber, string calldata hotelBooking)
        external
        onlyOwner
        returns (uint256 tokenId)
    {
        tokenId = ++issued;
        _tickets[tokenId] = Ticket(flightNumber, hotelBooking);
        emit TicketIssued(tokenId, to, flightNumber, hotelBooking);
        _mint(to, tokenId);
    }

    /// @notice Set the scripts' addresses. Emits: {ScriptUpdate}. Requirements: the caller is the owner.
    function setScriptURI(string[] calldata newScriptUris) external onlyOwner {
        delete _scriptUris;
        for (uint256 i; i < newScriptUris.length; ++i) {
            _scriptUris.push(newScriptUris[i]);
        }
        emit ScriptUpdate(newScriptUris);
    }

    /// @notice ERC-5169: the addresses of the token's scripts.
    function scriptURI() external view returns (string[] memory) {
        return _scriptUris;
    }

    /// @inheritdoc ERC721
    function supportsInterface(bytes4 interfaceId) public view override returns (bool) {
        return interfaceId == ERC5169_ID || super.supportsInterface(interfaceId);
    }

    /// @notice The flight that the ticket is for. Requirements: the ticket exists.
    function flightOf(uint256 tokenId) external view returns (string memory) {
        _requireOwned(tokenId);
        return _tickets[tokenId].flightNumber;
    }

    /// @notice The hotel booking that belongs to the journey. Requirements: the ticket exists.
    function hotelBookingOf(uint256 tokenId) external view returns (string memory) {
        _requireOwned(tokenId);
        return _tickets[tokenId].hotelBooking;
    }
}
