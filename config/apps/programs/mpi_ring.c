/* Ranks pass messages of many sizes around a ring and sum them up; rank 0 prints the sums. */
#include <mpi.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

static unsigned char out[1 << 18], in[1 << 18];

int main(int argc, char **argv)
{
	int rank, ranks;
	uint64_t sum = 0, all = 0;

	MPI_Init(&argc, &argv);
	MPI_Comm_rank(MPI_COMM_WORLD, &rank);
	MPI_Comm_size(MPI_COMM_WORLD, &ranks);
	for (int round = 0; round < 400; round++) {
		int size = 1 << (round % 19);

		memset(out, rank + round, (size_t)size);
		MPI_Sendrecv(out, size, MPI_BYTE, (rank + 1) % ranks, 0, in, size, MPI_BYTE, (rank + ranks - 1) % ranks,
			     0, MPI_COMM_WORLD, MPI_STATUS_IGNORE);
		for (int i = 0; i < size; i++)
			sum += in[i];
	}
	for (int round = 0; round < 100; round++)
		MPI_Allreduce(&sum, &all, 1, MPI_UINT64_T, MPI_SUM, MPI_COMM_WORLD);
	if (rank == 0)
		printf("%d ranks, sum %llu\n", ranks, (unsigned long long)all);
	MPI_Finalize();
	return 0;
}
