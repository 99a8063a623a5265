// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

contract LoadToken {
    mapping(address => uint256) public balanceOf;
    mapping(address => mapping(address => uint256)) public allowance;
    uint256 public totalSupply;
    event Transfer(address indexed from, address indexed to, uint256 value);
    event Approval(address indexed owner, address indexed spender, uint256 value);

    constructor(uint256 supply) {
        totalSupply = supply;
        balanceOf[msg.sender] = supply;
        emit Transfer(address(0), msg.sender, supply);
    }

    function approve(address spender, uint256 value) external returns (bool) {
        allowance[msg.sender][spender] = value;
        emit Approval(msg.sender, spender, value);
        return true;
    }

    function transfer(address to, uint256 value) external returns (bool) {
        _move(msg.sender, to, value);
        return true;
    }

    function transferFrom(address from, address to, uint256 value) external returns (bool) {
        uint256 allowed = allowance[from][msg.sender];
        require(allowed >= value, "allowance");
        if (allowed != type(uint256).max) allowance[from][msg.sender] = allowed - value;
        _move(from, to, value);
        return true;
    }

    function _move(address from, address to, uint256 value) private {
        uint256 held = balanceOf[from];
        require(held >= value, "balance");
        unchecked {
            balanceOf[from] = held - value;
            balanceOf[to] += value;
        }
        emit Transfer(from, to, value);
    }
}

interface IToken {
    function transfer(address to, uint256 value) external returns (bool);
    function transferFrom(address from, address to, uint256 value) external returns (bool);
}

/// Constant-product exchange of two tokens with a fee of 0.3 %.
contract LoadPair {
    IToken public immutable token0;
    IToken public immutable token1;
    uint112 public reserve0;
    uint112 public reserve1;
    event Swap(address indexed sender, uint256 amountIn, uint256 amountOut, bool zeroForOne);

    constructor(IToken a, IToken b) {
        token0 = a;
        token1 = b;
    }

    function add(uint112 amount0, uint112 amount1) external {
        token0.transferFrom(msg.sender, address(this), amount0);
        token1.transferFrom(msg.sender, address(this), amount1);
        reserve0 += amount0;
        reserve1 += amount1;
    }

    function swap(uint256 amountIn, bool zeroForOne) external returns (uint256 amountOut) {
        (uint256 rIn, uint256 rOut) = zeroForOne ? (uint256(reserve0), uint256(reserve1)) : (uint256(reserve1), uint256(reserve0));
        (IToken tIn, IToken tOut) = zeroForOne ? (token0, token1) : (token1, token0);
        uint256 taxed = amountIn * 997;
        amountOut = (taxed * rOut) / (rIn * 1000 + taxed);
        require(amountOut > 0, "output");
        tIn.transferFrom(msg.sender, address(this), amountIn);
        tOut.transfer(msg.sender, amountOut);
        if (zeroForOne) {
            reserve0 = uint112(rIn + amountIn);
            reserve1 = uint112(rOut - amountOut);
        } else {
            reserve1 = uint112(rIn + amountIn);
            reserve0 = uint112(rOut - amountOut);
        }
        emit Swap(msg.sender, amountIn, amountOut, zeroForOne);
    }
}
